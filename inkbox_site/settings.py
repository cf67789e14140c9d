"""Settings from the environment; every variable is described in docs/configuration.md.

The embedded profile (SQLite, in-process worker) needs none of them. DATABASE_URL and REDIS_URL select the
distributed one. Product numbers (limits of requests and messages) are not here but in each app's limits.py.
"""

from __future__ import annotations

import secrets
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from csp import constants as csp

from common import env, logs
from inkbox_site import static_headers

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where things are -------------------------------------------------------------------------------------------
DATA_DIR = Path(env.text("INKBOX_DATA_DIR", "./var")).absolute()
BLOB_DIR = DATA_DIR / "blobs"

HTTP_HOST = env.text("INKBOX_HTTP_HOST", "127.0.0.1")
HTTP_PORT = env.number("INKBOX_HTTP_PORT", 8000, high=65535)
SMTP_HOST = env.text("INKBOX_SMTP_HOST", "127.0.0.1")
SMTP_PORT = env.number("INKBOX_SMTP_PORT", 2525, high=65535)
EDGE_HOST = env.text("INKBOX_EDGE_HOST", "127.0.0.1")
# 0 = 443 when this process may bind it, else 8443.
EDGE_PORT = env.number("INKBOX_EDGE_PORT", 0, high=65535)

PUBLIC_URL = env.text("INKBOX_PUBLIC_URL", f"http://localhost:{HTTP_PORT}").rstrip("/")
MAIL_DOMAIN = env.text("INKBOX_MAIL_DOMAIN", "mail.localhost").lower()
TUNNEL_ZONE = env.text("INKBOX_TUNNEL_ZONE", "localhost").lower()


# --- Secrets ----------------------------------------------------------------------------------------------------
def _secret_key() -> str:
    """The configured key, or one generated into the data directory on first use (readable by its owner only)."""
    if configured := env.text("INKBOX_SECRET_KEY"):
        return configured
    path = DATA_DIR / "secret_key"
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        pass
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    temporary = DATA_DIR / f".secret_key.{secrets.token_hex(4)}"
    temporary.touch(mode=0o600)
    temporary.write_text(secrets.token_urlsafe(48), encoding="ascii")
    try:
        # A hard link fails when the name exists: of two processes that start together, one wins for both.
        path.hardlink_to(temporary)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return path.read_text(encoding="ascii").strip()


SECRET_KEY = _secret_key()
TESTING_SECRET = env.text("INKBOX_TESTING_SECRET")

# --- Profile ----------------------------------------------------------------------------------------------------
DATABASE_URL = env.text("DATABASE_URL") or f"sqlite:///{DATA_DIR / 'inkbox.sqlite3'}"
REDIS_URL = env.text("REDIS_URL")

# A 250 to an SMTP client and a 201 to an API client both promise durability, hence synchronous=FULL.
_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY; "
    "PRAGMA mmap_size=134217728; PRAGMA journal_size_limit=67108864"
)


def _database(url: str) -> dict[str, Any]:
    parsed: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=None, conn_health_checks=True))
    if parsed["ENGINE"].endswith("sqlite3"):
        # IMMEDIATE: a transaction takes the write lock when it begins and so never fails half-way with "locked".
        parsed["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 30, "init_command": _SQLITE_PRAGMAS}
        parsed["CONN_HEALTH_CHECKS"] = False
    return parsed


DATABASES = {"default": _database(DATABASE_URL)}
IS_SQLITE = DATABASES["default"]["ENGINE"].endswith("sqlite3")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    # Failed sign-ins are counted here. With room for Django's 300 entries, a flood of them would make room for more.
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 100_000}}
}
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

# --- Applications -----------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "anymail",
    "inkbox_site",
    "identities",
    "webhooks",
    "contacts",
    "mail",
    "tunnels",
    "notes",
    "vault",
    "signup",
    "console",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "django.contrib.humanize",
]
AUTH_USER_MODEL = "identities.User"
# What an identity is made of besides its row, created in this order and removed in reverse (identities/channels.py).
IDENTITY_CHANNELS = [
    "contacts.channel.ContactsChannel",
    "webhooks.channel.WebhooksChannel",
    "mail.channel.MailChannel",
    "tunnels.channel.TunnelChannel",
    "notes.channel.NotesChannel",
    "vault.channel.VaultChannel",
]
MIDDLEWARE = [
    "common.api.middleware.RequestContextMiddleware",
    "inkbox_site.metrics.MetricsMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "inkbox_site.middleware.PagePolicy",
    "inkbox_site.middleware.PageSessions",
    "django.middleware.common.CommonMiddleware",
    "inkbox_site.middleware.PageCsrf",
    "inkbox_site.middleware.PageUsers",
    "inkbox_site.middleware.PageMessages",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "inkbox_site.urls"
ASGI_APPLICATION = "inkbox_site.asgi.application"
APPEND_SLASH = False  # contract: never a redirect
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "console.context.console",
            ],
            "builtins": ["console.times"],
        },
    }
]
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [folder for folder in (BASE_DIR / "static",) if folder.is_dir()]
WHITENOISE_USE_FINDERS = True  # static files are served from where they are: no collectstatic step
WHITENOISE_AUTOREFRESH = False
WHITENOISE_ADD_HEADERS_FUNCTION = static_headers.add_headers

# Upward needs of lower apps (ARCHITECTURE.md, import directions).
WEBHOOK_OWNER_RESOLVERS = ["mail.channel.resolve_owner"]
# Who an address or number belongs to (webhooks/enrichment.py).
WEBHOOK_CONTACT_RESOLVER = "contacts.resolving.resolve_peers"
# The history of each class of conversation context (webhooks/context.py).
WEBHOOK_HISTORY_PROVIDERS = {"email": "mail.history.email_history"}
# The embedded server is alone with its database: leases that it finds at start belong to a process that died.
LEASE_RELEASES = [
    "mail.services.jobs.release_leases",
    "mail.services.importing.release_leases",
    "mail.services.extracting.release_leases",
    "mail.services.draft_sending.release_leases",
    "mail.services.platform_mail.release_platform_leases",
    "webhooks.services.dispatches.release_leases",
]
QUEUE_AGE_PROBES = ["mail.selectors.oldest_stuck_job"]

# --- Accounts and web security ----------------------------------------------------------------------------------
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
_public = urlsplit(PUBLIC_URL)
_is_https = _public.scheme == "https"
# The API is called under many names (localhost, a proxy, a container name); pages build links from PUBLIC_URL only.
ALLOWED_HOSTS = ["*"]
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
CORS_ALLOWED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
CORS_URLS_REGEX = r"^/api/"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _is_https
SESSION_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if _is_https else 0
X_FRAME_OPTIONS = "DENY"
# Number of trusted reverse proxies in front: how many entries of X-Forwarded-For are believed.
TRUSTED_PROXIES = env.number("INKBOX_TRUSTED_PROXIES", 0, high=10)
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# 25 MiB of attachments are about 34 MiB of base64 in a JSON body.
DATA_UPLOAD_MAX_MEMORY_SIZE = 40 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
# Larger bodies are refused while they arrive. Upload targets take a whole mail import (1 GiB) and its form fields.
MAX_BODY_BYTES = DATA_UPLOAD_MAX_MEMORY_SIZE
MAX_BODY_BYTES_BY_PREFIX = {"/uploads/": 1100 * 1024 * 1024}

# --- API --------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["identities.api.authentication.PrincipalAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["common.api.renderers.ApiJsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["common.api.renderers.ApiJsonParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "common.api.renderers.AlwaysJson",
    "EXCEPTION_HANDLER": "common.api.errors.handle_exception",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Inkbox-compatible server",
    "DESCRIPTION": "Identities, mail and webhooks for AI agents. Independent of Inkbox and AgentPost.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {"FilterModeEnum": [("whitelist", "whitelist"), ("blacklist", "blacklist")]},
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}
RATE_LIMIT_KEY_PREFIX = "LIMITS"
RATE_LIMIT_KEY_PER_MINUTE = env.number("INKBOX_RATE_LIMIT_KEY_PER_MINUTE", 3000)
RATE_LIMIT_ANONYMOUS_PER_MINUTE = env.number("INKBOX_RATE_LIMIT_ANONYMOUS_PER_MINUTE", 300)
AGENT_SUPPORT = env.text("INKBOX_AGENT_SUPPORT")
METRICS_ENABLED = env.flag("INKBOX_METRICS")

# --- Mail -------------------------------------------------------------------------------------------------------
MAIL_TRANSPORT = env.text("INKBOX_MAIL_TRANSPORT", "sandbox")
# Mail of the server itself: verification codes, password resets, invitations.
EMAIL_BACKEND = "mail.platform_backend.PlatformBackend"
DEFAULT_FROM_EMAIL = env.text("INKBOX_PLATFORM_FROM", f"Inkbox server <no-reply@{MAIL_DOMAIN}>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
# Settings of the provider behind `anymail:<backend>`: ANYMAIL_POSTMARK_SERVER_TOKEN and so on.
ANYMAIL = env.prefixed("ANYMAIL_")
# Whether keys of claimed agents may create contact rules; changing and deleting them needs an admin key either way.
AGENTS_CREATE_CONTACT_RULES = env.flag("INKBOX_AGENTS_CREATE_CONTACT_RULES")
# Messages that go back and forth between agents here before their exchange is paused (mail/limits.py has the windows).
AGENT_THREAD_MESSAGES = env.number("INKBOX_AGENT_THREAD_MESSAGES", 60, high=10_000)
BOUNCE_PAUSE_PERCENT = env.number("INKBOX_BOUNCE_PAUSE_PERCENT", 10, high=100)
AGENT_PAIR_MESSAGES = env.number("INKBOX_AGENT_PAIR_MESSAGES", 300, high=10_000)
# Part of the addresses that the provider calls. Unset: there are none.
MAIL_WEBHOOK_SECRET = env.text("INKBOX_MAIL_WEBHOOK_SECRET")
# Transactions with one recipient domain at a time, in each worker (transport `mx`).
MX_CONNECTIONS_PER_DOMAIN = env.number("INKBOX_MX_CONNECTIONS_PER_DOMAIN", 2, low=1, high=64)
# The envelope sender over SMTP: `verp` (signed, of the platform domain) or `sender` (the mailbox).
MAIL_RETURN_PATH = env.text("INKBOX_MAIL_RETURN_PATH", "verp")
# Recipients an identity may send to in 24 hours; 0 is no limit.
UNCLAIMED_SENDS_PER_DAY = env.number("INKBOX_UNCLAIMED_SENDS_PER_DAY", 10, high=2**31 - 1)
CLAIMED_SENDS_PER_DAY = env.number("INKBOX_CLAIMED_SENDS_PER_DAY", 500, high=2**31 - 1)
# How long a message waits for the approval of a person before it fails.
APPROVAL_HOURS = env.number("INKBOX_APPROVAL_HOURS", 168, low=1, high=8760)
SMTP_HOSTNAME = env.text("INKBOX_SMTP_HOSTNAME", MAIL_DOMAIN)
SMTP_TLS_CERT = env.text("INKBOX_SMTP_TLS_CERT")
SMTP_TLS_KEY = env.text("INKBOX_SMTP_TLS_KEY")
SMTP_MAX_MESSAGE_BYTES = env.number("INKBOX_SMTP_MAX_MESSAGE_BYTES", 25 * 1024 * 1024, low=65536)
SMTP_MAX_SESSIONS_PER_IP = env.number("INKBOX_SMTP_MAX_SESSIONS_PER_IP", 50)
SMTP_MAX_MESSAGES_PER_IP_PER_MINUTE = env.number("INKBOX_SMTP_MAX_MESSAGES_PER_IP_PER_MINUTE", 0)
# What SPF records must authorise: the addresses that this server, its relay or its provider send from.
MAIL_SPF = env.text("INKBOX_MAIL_SPF")
DNS_SERVERS = env.text("INKBOX_DNS_SERVERS")
DNS_CLIENT = "common.dns.SystemDns"

# --- Trust in inbound mail ----------------------------------------------------------------------------------------
# Peers whose mail is taken as it is; mail/trust/config.py reads these, and its system check judges them.
TRUSTED_RELAYS = env.text("INKBOX_TRUSTED_RELAYS", "127.0.0.0/8 ::1/128")
TRUST_SECONDS = env.number("INKBOX_TRUST_SECONDS", 5, low=1, high=60)
DMARC_ENFORCE = env.text("INKBOX_DMARC_ENFORCE", "spam").lower()
ARC_TRUSTED_SEALERS = env.text("INKBOX_ARC_TRUSTED_SEALERS")
ALLOW_RULES_NEED_DMARC = env.flag("INKBOX_ALLOW_RULES_NEED_DMARC", default=True)
SPAM_SCORER = env.text("INKBOX_SPAM_SCORER", "heuristic")
SPAM_THRESHOLD = env.number("INKBOX_SPAM_THRESHOLD", 0, high=1000)
SPAM_SECONDS = env.number("INKBOX_SPAM_SECONDS", 5, low=1, high=60)
SPAM_EVENTS = env.flag("INKBOX_SPAM_EVENTS")

# --- People -------------------------------------------------------------------------------------------------------
# Whether strangers may register. Invitations and the claim of an agent work either way.
ACCOUNTS_OPEN = env.flag("INKBOX_ACCOUNTS_OPEN", default=True)
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "console:overview"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "console.accounts.AccountAdapter"
ACCOUNT_FORMS = {"signup": "console.account_forms.SignupForm"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True
# Registration and password reset say the same whether the address is known or not.
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_USER_DISPLAY = "console.accounts.display_name"
# A write for every page somebody looks at would be too much; the list says when and where each session began.
USERSESSIONS_TRACK_ACTIVITY = False
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Inkbox server"
# WebAuthn insists on HTTPS except for names of this machine.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = _public.scheme == "http"
# One OpenID Connect provider, by discovery.
_OIDC = {name: env.text(f"INKBOX_OIDC_{name}") for name in ("SERVER_URL", "CLIENT_ID", "CLIENT_SECRET", "NAME")}
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {
    "openid_connect": {
        "EMAIL_AUTHENTICATION": True,
        "VERIFIED_EMAIL": True,
        "APPS": [
            {
                "provider_id": "oidc",
                "name": _OIDC["NAME"] or "Single sign-on",
                "client_id": _OIDC["CLIENT_ID"],
                "secret": _OIDC["CLIENT_SECRET"],
                "settings": {"server_url": _OIDC["SERVER_URL"]},
            }
        ]
        if _OIDC["SERVER_URL"]
        else [],
    }
}
CONTENT_SECURITY_POLICY = {
    # Those paths have a policy of their own (common/api/middleware.py): the API serves no pages, the admin needs more.
    "EXCLUDE_URL_PREFIXES": ["/api/", "/admin/", "/compat/", "/blobs/"],
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'", csp.NONCE],
        "style-src": ["'self'", csp.NONCE],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "frame-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    },
}

# --- Self-signup of agents ----------------------------------------------------------------------------------------
# Registrations from one address in an hour (0: no limit), and unclaimed agents of one human.
SIGNUPS_PER_IP_PER_HOUR = env.number("INKBOX_SIGNUPS_PER_IP_PER_HOUR", 3)
UNCLAIMED_AGENTS_PER_EMAIL = env.number("INKBOX_UNCLAIMED_AGENTS_PER_EMAIL", 10, low=1)

# --- Contacts ---------------------------------------------------------------------------------------------------
# The country (ISO 3166) that numbers without a country code are read in when an address book is imported.
PHONE_REGION = env.text("INKBOX_PHONE_REGION").upper()
# Whether mail from an unknown address makes a contact (contacts/services/automatic.py).
AUTOMATIC_CONTACTS = env.flag("INKBOX_AUTOMATIC_CONTACTS", default=True)

# Where facts about contacts come from, and correspondence with them (contacts/sources.py, contacts/correspondence.py).
CONTACT_SOURCES = {"email": "mail.correspondence.find_sources"}
CONTACT_CORRESPONDENCE = {"email": "mail.correspondence.read_mail"}

# --- Webhooks ---------------------------------------------------------------------------------------------------
# Private targets are refused unless allowed; the embedded profile is for one machine, so it allows them and says so.
WEBHOOK_ALLOW_PRIVATE = env.flag("INKBOX_WEBHOOK_ALLOW_PRIVATE", default=IS_SQLITE and not REDIS_URL)
# How far back events can be read and deliveries replayed.
EVENT_RETENTION_DAYS = env.number("INKBOX_EVENT_RETENTION_DAYS", 30, low=1, high=3650)

# --- Vault --------------------------------------------------------------------------------------------------------
# How long it is known who read what; 0 keeps it for good.
VAULT_AUDIT_DAYS = env.number("INKBOX_VAULT_AUDIT_DAYS", 400, high=36500)

# --- Background work ----------------------------------------------------------------------------------------------
WORKER_THREADS = env.number("INKBOX_WORKER_THREADS", 4, low=1, high=64)
# Reads by index that need no thread of their own (inkbox_site/processes/quick_reads.py).
_MAILBOX = "/api/v1/mail/mailboxes/[^/]+"
QUICK_READS = [f"{_MAILBOX}/messages(?:/[^/]+)?", f"{_MAILBOX}/threads"] if IS_SQLITE and not REDIS_URL else []
WEB_THREADS = env.number("INKBOX_WEB_THREADS", 8, low=1, high=128)
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "sweep"
# Everything else, the sweeps above all, goes to the default queue.
CELERY_TASK_ROUTES = {
    "mail.send_message": {"queue": "mail"},
    "mail.relay_message": {"queue": "relay"},
    "mail.check_domain": {"queue": "relay"},  # waits for servers elsewhere, as relaying does
    "identities.check_domain": {"queue": "relay"},
    "mail.run_import": {"queue": "imports"},
    "mail.send_platform_mail": {"queue": "relay"},
    "mail.index_messages": {"queue": "index"},
    "mail.extract_attachments": {"queue": "reading"},
    "webhooks.deliver": {"queue": "webhooks"},
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_SOFT_TIME_LIMIT = 300
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "mail-send-due": {"task": "mail.sweep_outbound", "schedule": timedelta(seconds=5)},
    "mail-index": {"task": "mail.index_messages", "schedule": timedelta(seconds=2)},
    "mail-extract": {"task": "mail.extract_attachments", "schedule": timedelta(seconds=2)},
    "webhooks-deliver-due": {"task": "webhooks.sweep_dispatches", "schedule": timedelta(seconds=5)},
    "webhooks-purge": {"task": "webhooks.purge_old", "schedule": timedelta(hours=1)},
    "mail-run-imports": {"task": "mail.sweep_imports", "schedule": timedelta(seconds=10)},
    "mail-resume": {"task": "mail.end_pauses", "schedule": timedelta(seconds=30)},
    "mail-approvals": {"task": "mail.expire_approvals", "schedule": timedelta(minutes=1)},
    "mail-purge": {"task": "mail.purge_deleted", "schedule": timedelta(hours=1)},
    "vault-audit": {"task": "vault.purge_audit", "schedule": timedelta(hours=1)},
    "identities-purge": {"task": "identities.purge_old", "schedule": timedelta(hours=1)},
    "identities-domains": {"task": "identities.sweep_domains", "schedule": timedelta(seconds=30)},
    "mail-domains": {"task": "mail.sweep_domains", "schedule": timedelta(seconds=30)},
}

# --- Logs ---------------------------------------------------------------------------------------------------------
LOG_FORMAT = env.text("INKBOX_LOG_FORMAT", "auto")
LOG_LEVEL = env.text("INKBOX_LOG_LEVEL", "info").upper()
LOGGING = logs.config(LOG_FORMAT, LOG_LEVEL)
# Beat would log every sweep.
LOGGING["loggers"]["celery"] = {"level": "WARNING"}

HOST_NAME = socket.gethostname()

UNFOLD = {
    "SITE_TITLE": "Inkbox server",
    "SITE_HEADER": "Inkbox server",
    "SITE_SYMBOL": "inbox",
    "SHOW_HISTORY": True,
    "DASHBOARD_CALLBACK": "inkbox_site.operations.views.add_dashboard",
    "SIDEBAR": {"show_all_applications": True, "navigation": "inkbox_site.operations.menu.navigation"},
}

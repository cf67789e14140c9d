"""Shapes of this app's resources and bodies (contract identities.md sections 3, 5, 6, 11-13)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.api.inputs import CleanText, HeaderText, InputSerializer, NestedInput, StrictBoolean
from common.api.outputs import OutputSerializer
from common.ids import parse_uuid
from identities import limits
from identities.channels import EVERY_SECRET, InitialSecrets, MailboxOptions, TunnelOptions
from identities.enums import CreatorType, FilterMode, IdentityStatus, KeyStatus, Role, TlsMode
from identities.models import AgentIdentity
from identities.selectors import IdentityDetail
from identities.services.api_keys import NewApiKey
from identities.services.identities import IdentityChanges, NewIdentity

LOCAL_PART_MAX_CHARS = 64  # RFC 5321 section 4.5.3.1.1
DOMAIN_MAX_CHARS = 253
_MODES = [mode.value for mode in FilterMode]
_LINE_TYPES = ["dedicated_inbound", "dedicated_outbound"]


def _one_of(values: Iterable[str], **kwargs: Any) -> serializers.ChoiceField:
    known = list(values)
    return serializers.ChoiceField(
        choices=known, error_messages={"invalid_choice": f"Use one of: {', '.join(known)}."}, **kwargs
    )


# --- Identities -------------------------------------------------------------------------------------------------


class MailboxOptionsIn(NestedInput[MailboxOptions]):
    """The nested `mailbox`; an empty object takes every default."""

    into = MailboxOptions
    email_local_part = HeaderText(required=False, allow_null=True, max_length=LOCAL_PART_MAX_CHARS)
    sending_domain = HeaderText(required=False, allow_null=True, max_length=DOMAIN_MAX_CHARS)
    # until 0.3.1
    display_name = HeaderText(required=False, allow_null=True, max_length=limits.DISPLAY_NAME_MAX_CHARS)


class TunnelOptionsIn(NestedInput[TunnelOptions]):
    """The nested `tunnel`."""

    into = TunnelOptions
    tls_mode = _one_of([mode.value for mode in TlsMode], required=False)


@extend_schema_field(OpenApiTypes.ANY)
class InitialSecretsField(serializers.Field[Any, Any, Any, Any]):
    """One id, a list of ids, or every secret that exists now, as `"*"` or `"all"`."""

    def to_internal_value(self, data: Any) -> InitialSecrets:
        if data in ("*", EVERY_SECRET):
            return EVERY_SECRET
        ids = data if isinstance(data, list) else [data]
        if len(ids) > limits.INITIAL_SECRETS_MAX:
            raise serializers.ValidationError(
                f'Send at most {limits.INITIAL_SECRETS_MAX} ids, or "*" for every secret.'
            )
        found = [parse_uuid(one) if isinstance(one, str) else None for one in ids]
        if None in found:
            raise serializers.ValidationError('Send the id of a secret, a list of ids, or "*" for every secret.')
        return tuple(one for one in found if one is not None)


class NewIdentityIn(InputSerializer[NewIdentity]):
    """Body of identity create."""

    into = NewIdentity
    agent_handle = CleanText()
    display_name = HeaderText(required=False, allow_null=True, max_length=limits.DISPLAY_NAME_MAX_CHARS)
    description = CleanText(required=False, allow_null=True, max_length=limits.DESCRIPTION_MAX_CHARS)
    imessage_enabled = StrictBoolean(required=False)
    contact_sharing_enabled = StrictBoolean(required=False)
    claim_imessage_number = StrictBoolean(required=False)
    # 0.4.26 to 0.5.x
    imessage_number_type = _one_of(_LINE_TYPES, required=False, allow_null=True)
    mailbox = MailboxOptionsIn(required=False, allow_null=True)
    tunnel = TunnelOptionsIn(required=False, allow_null=True)
    phone_number = serializers.DictField(required=False, allow_null=True)
    vault_secret_ids = InitialSecretsField(required=False, allow_null=True)


class IdentityChangesIn(InputSerializer[IdentityChanges]):
    """Body of identity update: absent means unchanged, null clears what can be empty."""

    into = IdentityChanges
    agent_handle = CleanText(required=False)  # until 0.7.17
    status = CleanText(required=False)  # until 0.5.4; the service refuses unknown values with a plain string
    display_name = HeaderText(required=False, allow_null=True, max_length=limits.DISPLAY_NAME_MAX_CHARS)
    description = CleanText(required=False, allow_null=True, max_length=limits.DESCRIPTION_MAX_CHARS)
    imessage_enabled = StrictBoolean(required=False)
    contact_sharing_enabled = StrictBoolean(required=False)
    slack_enabled = StrictBoolean(required=False)
    claim_imessage_number = StrictBoolean(required=False)
    imessage_number_type = _one_of(_LINE_TYPES, required=False)
    imessage_number_id = serializers.UUIDField(required=False, allow_null=True)
    mail_filter_mode = _one_of(_MODES, required=False)
    mail_inbound_filter_mode = _one_of(_MODES, required=False)
    mail_outbound_filter_mode = _one_of(_MODES, required=False)
    phone_filter_mode = _one_of(_MODES, required=False)
    imessage_filter_mode = _one_of(_MODES, required=False)
    phone_inbound_filter_mode = _one_of(_MODES, required=False)
    phone_outbound_filter_mode = _one_of(_MODES, required=False)
    slack_filter_mode = _one_of(_MODES, required=False)
    slack_inbound_filter_mode = _one_of(_MODES, required=False)
    slack_outbound_filter_mode = _one_of(_MODES, required=False)


class IdentityRowOut(OutputSerializer):
    """What the identity row itself says."""

    id = serializers.UUIDField()
    organization_id = serializers.CharField()
    agent_handle = serializers.CharField()
    status = serializers.ChoiceField(choices=[s.value for s in IdentityStatus])
    display_name = serializers.CharField(allow_null=True)
    description = serializers.CharField(allow_null=True)
    imessage_enabled = serializers.BooleanField()
    contact_sharing_enabled = serializers.BooleanField()
    slack_enabled = serializers.BooleanField()
    has_avatar = serializers.BooleanField()
    mail_filter_mode = serializers.ChoiceField(choices=_MODES)
    mail_inbound_filter_mode = serializers.ChoiceField(choices=_MODES)
    mail_outbound_filter_mode = serializers.ChoiceField(choices=_MODES)
    phone_filter_mode = serializers.ChoiceField(choices=_MODES)
    phone_inbound_filter_mode = serializers.ChoiceField(choices=_MODES)
    phone_outbound_filter_mode = serializers.ChoiceField(choices=_MODES)
    # Phone and iMessage share one pair of directions since 0.7.3.
    imessage_filter_mode = serializers.ChoiceField(choices=_MODES, source="phone_filter_mode")
    slack_filter_mode = serializers.ChoiceField(choices=_MODES)
    slack_inbound_filter_mode = serializers.ChoiceField(choices=_MODES)
    slack_outbound_filter_mode = serializers.ChoiceField(choices=_MODES)
    signing_key_configured = serializers.BooleanField()
    signing_key_created_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    @staticmethod
    def get_has_avatar(row: AgentIdentity) -> bool:
        return hasattr(row, "avatar")

    @staticmethod
    def get_signing_key_configured(row: AgentIdentity) -> bool:
        return hasattr(row, "signing_key")

    @staticmethod
    def get_signing_key_created_at(row: AgentIdentity) -> Any:
        return row.signing_key.created_at if hasattr(row, "signing_key") else None


class IdentityAccessOut(OutputSerializer):
    """Who may look at an identity: one viewer, or with null every agent of the organization."""

    id = serializers.UUIDField()
    target_identity_id = serializers.UUIDField(source="target_id")
    viewer_identity_id = serializers.UUIDField(allow_null=True, source="viewer_id")
    created_at = serializers.DateTimeField()


class IdentityOut(IdentityRowOut):
    """The identity with its channels, the same object on every route."""

    access = IdentityAccessOut(many=True)  # 0.5.0 to 0.5.12; empty for agent keys
    email_address = serializers.EmailField(allow_null=True)
    mailbox = serializers.DictField(allow_null=True)
    phone_number = serializers.DictField(allow_null=True)
    imessage_number = serializers.DictField(allow_null=True)
    tunnel = serializers.DictField(allow_null=True)

    @classmethod
    def render(cls, row: IdentityDetail) -> dict[str, Any]:
        return cls.render_many([row])[0]

    @classmethod
    def render_many(cls, rows: Iterable[IdentityDetail]) -> list[dict[str, Any]]:
        return [
            {
                **IdentityRowOut.render(row.identity),
                "access": IdentityAccessOut.render_many(row.access),
                **_channel_fields(row),
            }
            for row in rows
        ]


def _channel_fields(row: IdentityDetail) -> dict[str, Any]:
    fields = {"mailbox": None, "phone_number": None, "imessage_number": None, "tunnel": None, **row.channels}
    # The address is the mailbox's, never derived from the handle.
    return {"email_address": (fields["mailbox"] or {}).get("email_address"), **fields}


# --- Signing keys -----------------------------------------------------------------------------------------------


class SigningKeyOut(OutputSerializer):
    """A new signing key, shown once."""

    signing_key = serializers.CharField()
    created_at = serializers.DateTimeField()


class SigningKeyStatusOut(OutputSerializer):
    """Whether a signing key exists."""

    configured = serializers.BooleanField()
    created_at = serializers.DateTimeField(allow_null=True)


# --- API keys ---------------------------------------------------------------------------------------------------


class NewApiKeyIn(InputSerializer[NewApiKey]):
    """Body of API key create."""

    into = NewApiKey
    # DRF's fields have a `label` attribute of their own; on a serializer class the name is free for a field.
    label = HeaderText(allow_blank=False, max_length=limits.KEY_LABEL_MAX_CHARS)  # type: ignore[assignment]
    description = CleanText(required=False, allow_null=True, max_length=limits.KEY_DESCRIPTION_MAX_CHARS)
    scoped_identity_id = serializers.UUIDField(required=False, allow_null=True)


class ApiKeyOut(OutputSerializer):
    """An API key without its secret."""

    id = serializers.CharField()
    organization_id = serializers.CharField()
    created_by = serializers.CharField()
    creator_type = serializers.ChoiceField(choices=[c.value for c in CreatorType])
    scoped_identity_id = serializers.UUIDField(allow_null=True)
    label = serializers.CharField()  # type: ignore[assignment]
    description = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=[s.value for s in KeyStatus])
    last4 = serializers.CharField()
    display_prefix = serializers.CharField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class CreatedApiKeyOut(OutputSerializer):
    """A new API key, shown once, with its record."""

    api_key = serializers.CharField()
    record = ApiKeyOut()


# --- Whoami -----------------------------------------------------------------------------------------------------


class WhoamiKeyOut(OutputSerializer):
    """The caller of an API key."""

    auth_type = serializers.ChoiceField(choices=["api_key"])
    auth_subtype = serializers.CharField()
    scope = serializers.CharField()
    organization_id = serializers.CharField()
    created_by = serializers.CharField()
    creator_type = serializers.ChoiceField(choices=[c.value for c in CreatorType])
    key_id = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    description = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)


class WhoamiSessionOut(OutputSerializer):
    """The caller of a console session."""

    auth_type = serializers.ChoiceField(choices=["jwt"])
    auth_subtype = serializers.CharField()
    user_id = serializers.CharField()
    email = serializers.EmailField()
    name = serializers.CharField(allow_null=True)
    organization_id = serializers.CharField(allow_null=True)
    org_role = serializers.ChoiceField(choices=[Role.ADMIN.value, Role.MEMBER.value], allow_null=True)
    org_slug = serializers.CharField(allow_null=True)

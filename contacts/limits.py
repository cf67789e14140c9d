"""Product numbers of this app."""

from __future__ import annotations

from common.addresses import ADDRESS_MAX_CHARS

# Only the rules about the counterparty at hand are read, so this bounds the table, not the cost of a message.
RULES_PER_IDENTITY_MAX = 10_000
RULE_LIST_DEFAULT = 50
RULE_LIST_MAX = 200
RULE_LIST_OFFSET_MAX = 1_000_000

# --- contacts (contract contacts-notes.md section 2.2)
PREFERRED_NAME_MAX_CHARS = 255
NAME_AFFIX_MAX_CHARS = 32
NAME_PART_MAX_CHARS = 128
COMPANY_MAX_CHARS = 255
JOB_TITLE_MAX_CHARS = 255
NOTES_MAX_CHARS = 20_000
EMAILS_MAX = 50
PHONES_MAX = 50
CUSTOM_FIELDS_MAX = 50
WEBSITES_MAX = 25
DATES_MAX = 25
ADDRESSES_MAX = 10
EMAIL_MAX_CHARS = ADDRESS_MAX_CHARS
PHONE_MAX_CHARS = 16  # E.164: a plus sign and 15 digits
LABEL_MAX_CHARS = 64
URL_MAX_CHARS = 2048
ADDRESS_PART_MAX_CHARS = 255
CUSTOM_VALUE_MAX_CHARS = 2000
ACCESS_IDENTITIES_MAX = 500

CONTACT_LIST_DEFAULT = 50
CONTACT_LIST_MAX = 200
CONTACT_LIST_OFFSET_MAX = 10_000
QUERY_MAX_CHARS = 100
# A look-up names somebody; a domain with more contacts than this is a list of its own.
LOOKUP_MAX = 200
# Addresses with a wanted part that the index lists; of more, the first LOOKUP_MAX are found sooner by reading on.
PART_ROWS_MAX = 1000

# --- facts (section 3.3; clients of 0.5.14 speak of 25 in all)
FACT_MAX_CHARS = 1000
FACTS_TOTAL_MAX = 25
FACTS_PER_KIND_MAX = {"profile": 10, "preference": 10, "context": 15}

# --- vCards (section 3.1)
UID_MAX_CHARS = 255
IMPORT_MAX_BYTES = 5 * 1024 * 1024
IMPORT_CARDS_MAX = 1000
EXPORT_CONTACTS_MAX = 25
BULK_DELETE_MAX = 100
MERGE_LOSERS_MAX = 25

# --- correspondence (section 3.4): items of one channel on a page
CORRESPONDENCE_DEFAULT = 20
CORRESPONDENCE_MAX = 100
CURSOR_MAX_CHARS = 200

# --- automatic contacts (section 5): of one organization, that nobody has looked at yet
AUTOMATIC_UNREVIEWED_MAX = 10_000

# --- citations of facts
CITATIONS_PER_FACT_MAX = 10
LOCATOR_MAX_BYTES = 2000

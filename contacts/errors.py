"""Refusals of this app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from common.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, TooLarge
from contacts.coverage import Taken


class RuleNotFound(NotFound):
    """No such contact rule for this caller."""

    def __init__(self) -> None:
        super().__init__("Contact rule not found")


class DuplicateRule(Conflict):
    """The target is covered already; clients recognize `existing_rule_id`."""

    def __init__(self, taken: Taken) -> None:
        message = "A rule for this target already exists."
        if taken.is_paused:
            message = "A paused rule for this target already exists. Resume or delete it."
        elif taken.is_contradiction:
            message = "A rule for this target already exists with the other action. Change that rule."
        super().__init__(message, existing_rule_id=taken.rule_id)


class TooManyRules(Conflict):
    """The identity has as many rules as it may have."""

    code = "too_many_contact_rules"

    def __init__(self, limit: int) -> None:
        super().__init__(f"An identity has at most {limit} contact rules. Delete some, or use domain rules.")


class AgentMayNotCreateRules(Forbidden):
    """The operator leaves rules to people and admin keys."""

    def __init__(self) -> None:
        super().__init__("An agent key may not create contact rules here. Use an admin key of the organization.")


class RuleOwnerMissing(Conflict):
    """A mailbox or number without an identity has no rules."""

    def __init__(self) -> None:
        super().__init__("Contact rules belong to an identity, and this channel has none. Link it to one first.")


class ContactNotFound(NotFound):
    """No such contact for this caller: unknown, deleted, merged into another one, or hidden from the agent."""

    def __init__(self) -> None:
        super().__init__("Contact not found")


class ContactNameMissing(DomainError):
    """400: none of the four naming fields would be filled."""

    def __init__(self) -> None:
        super().__init__("A contact needs a preferred_name, given_name, family_name or company_name. Send one of them.")


class IdentifiersHidden(Forbidden):
    """An agent would replace a list that it may not see."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The {name} of this contact are hidden from this agent. Leave {name} out.")


class AccessRowNotFound(NotFound):
    """The identity has no grant of its own."""

    def __init__(self) -> None:
        super().__init__("This identity has no access row for this contact")


class RedundantGrant(Conflict):
    """The contact is visible to everybody; clients recognize the code and read the text inside the object."""

    code = "redundant_grant"

    def __init__(self) -> None:
        message = "Every identity sees this contact already. Revoke access where it is not wanted instead."
        super().__init__(message, detail=message)


class AlreadyGranted(Conflict):
    """The identity has a grant."""

    def __init__(self) -> None:
        super().__init__("This identity sees this contact already.")


class PolicyStale(Conflict):
    """Somebody changed the contact's policy, or a rule, since the caller read it."""

    code = "contact_policy_stale"

    def __init__(self) -> None:
        super().__init__("The policy of this contact has changed meanwhile. Read it again, and decide again.")


class OnlyOwnAccess(Forbidden):
    """An agent would take a contact away from another agent."""

    def __init__(self) -> None:
        super().__init__("An agent key may give up its own access only. Use an admin key of the organization.")


class NotUtf8(DomainError):
    """400: the file is in another encoding."""

    def __init__(self) -> None:
        super().__init__("The file is not UTF-8. Save it as UTF-8 and send it again.")


class NoCards(Invalid):
    """Nothing to import."""

    def __init__(self) -> None:
        super().__init__("The file has no complete card. A card begins with BEGIN:VCARD and ends with END:VCARD.")


class TooManyCards(TooLarge):
    """More than are imported at once."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The file has more than {limit} cards. Send it in parts.")


class ImportTooLarge(TooLarge):
    """More bytes than are imported at once."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The file is larger than {limit} bytes. Send it in parts, without pictures.")


class NotVcard(DomainError):
    """415: another content type."""

    status = 415

    def __init__(self) -> None:
        super().__init__("Send the file with Content-Type text/vcard or text/x-vcard.")


class FactNotFound(NotFound):
    """No such fact of this contact for this caller."""

    def __init__(self) -> None:
        super().__init__("Fact not found")


class CitationNotFound(NotFound):
    """No such citation of this fact, or its source is gone or not for the caller."""

    def __init__(self) -> None:
        super().__init__("Citation not found")


class MemoriesHidden(NotFound):
    """The agent sees the contact, but not what is known of it."""

    def __init__(self) -> None:
        super().__init__("Memories of this contact not found")


class TooManyFacts(Conflict):
    """Active facts over the limit of a kind, or of all kinds together (named `total`)."""

    code = "contact_fact_limit"

    def __init__(self, kinds: Sequence[str], most: Mapping[str, int], total: int) -> None:
        what = ", ".join(f"{kind} (at most {most.get(kind, total)})" for kind in kinds)
        super().__init__(f"Too many active facts: {what}. Delete some of them first.", kinds=list(kinds))


class MergeTooLarge(Conflict):
    """A list of the merged contact would be over its limit."""

    code = "contact_merge_too_large"

    def __init__(self, name: str, most: int) -> None:
        super().__init__(f"The merged contact would have more than {most} {name}. Remove some of them first.")

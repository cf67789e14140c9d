"""Shapes of this app's bodies (contract identities.md sections 14 and 15)."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.api.inputs import CleanText, HeaderText, InputSerializer
from common.api.outputs import OutputSerializer
from identities import limits as identity_limits
from identities.enums import ClaimStatus
from mail.addresses import parse_recipient
from signup import limits
from signup.enums import HumanState
from signup.services.registering import NewSignup
from signup.viewmodels import Approval, VerificationCode

_TOKEN_MAX_CHARS = 4096


class EmailAddress(CleanText):
    """A bare address, in lower case: people write their own in many ways."""

    def to_internal_value(self, data: Any) -> str:
        address = parse_recipient(super().to_internal_value(data))
        if address is None:
            raise serializers.ValidationError("This is not an email address.")
        return address.lower()


class NewSignupIn(InputSerializer[NewSignup]):
    """Body of register."""

    into = NewSignup
    human_email = EmailAddress()
    note_to_human = CleanText(max_length=limits.NOTE_MAX_CHARS, allow_blank=False, trim_whitespace=True)
    display_name = HeaderText(
        required=False,
        allow_null=True,
        allow_blank=False,
        trim_whitespace=True,
        max_length=identity_limits.DISPLAY_NAME_MAX_CHARS,
    )
    agent_handle = CleanText(required=False, allow_null=True, max_length=identity_limits.SEED_HANDLE_MAX_CHARS)
    email_local_part = HeaderText(required=False, allow_null=True, max_length=64)
    harness = CleanText(required=False, allow_null=True, max_length=255)
    invitation_token = CleanText(required=False, allow_null=True, max_length=_TOKEN_MAX_CHARS)


class VerificationCodeIn(InputSerializer[VerificationCode]):
    """Body of verify."""

    into = VerificationCode
    verification_code = serializers.RegexField(
        rf"^[0-9]{{{limits.CODE_DIGITS}}}\Z",
        error_messages={"invalid": f"Send the {limits.CODE_DIGITS} digits of the mailed code."},
    )


class ApprovalIn(InputSerializer[Approval]):
    """Body of approve."""

    into = Approval
    organization_id = CleanText(required=False, allow_null=True, max_length=64)


class RegisteredOut(OutputSerializer):
    """A new agent. `api_key` is shown this once."""

    email_address = serializers.CharField()
    organization_id = serializers.CharField()
    api_key = serializers.CharField()
    agent_handle = serializers.CharField()
    claim_status = serializers.ChoiceField(choices=[s.value for s in ClaimStatus])
    human_email = serializers.EmailField()
    message = serializers.CharField()
    invitation = serializers.DictField(allow_null=True, help_text="Invitations are not part of this release.")


class ClaimOut(OutputSerializer):
    """Where a signup stands after verify or resend."""

    claim_status = serializers.ChoiceField(choices=[s.value for s in ClaimStatus])
    organization_id = serializers.CharField()
    message = serializers.CharField()


class RestrictionsOut(OutputSerializer):
    """What an agent may do by mail."""

    max_sends_per_day = serializers.IntegerField(help_text="Recipients in 24 hours.")
    allowed_recipients = serializers.ListField(child=serializers.EmailField(), help_text="Empty: anybody.")
    can_receive = serializers.BooleanField()
    can_create_mailboxes = serializers.BooleanField()


class StatusOut(OutputSerializer):
    """Body of status."""

    claim_status = serializers.ChoiceField(choices=[s.value for s in ClaimStatus])
    human_state = serializers.ChoiceField(choices=[s.value for s in HumanState])
    human_email = serializers.EmailField()
    restrictions = RestrictionsOut()

    @staticmethod
    def get_restrictions(row: Any) -> dict[str, Any]:
        return RestrictionsOut.render(row.restrictions)


class WaitingAgentOut(OutputSerializer):
    """An agent that waits for the caller's decision."""

    identity_id = serializers.UUIDField()
    agent_handle = serializers.CharField()
    display_name = serializers.CharField(allow_null=True)
    email_address = serializers.CharField()
    human_email = serializers.EmailField()
    note_to_human = serializers.CharField()
    harness = serializers.CharField()
    organization_id = serializers.CharField()
    claim_status = serializers.ChoiceField(choices=[s.value for s in ClaimStatus])
    created_at = serializers.DateTimeField()


class WaitingAgentsOut(serializers.Serializer[Any]):
    """Body of pending."""

    agents = WaitingAgentOut(many=True)


class DecisionOut(OutputSerializer):
    """Body of approve and reject."""

    identity_id = serializers.UUIDField()
    agent_handle = serializers.CharField()
    organization_id = serializers.CharField(allow_null=True)
    claim_status = serializers.ChoiceField(choices=[s.value for s in ClaimStatus])
    message = serializers.CharField()

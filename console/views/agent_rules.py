"""Who an agent hears from and may write to: filter modes, contact rules, and a question to both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from common.errors import DomainError
from console.agent_forms import ACTIONS, DIRECTIONS, FilterModesForm, NewRuleForm, RuleFilterForm
from console.paging import paginate
from console.principals import console_page
from console.views.agent_pages import render_agent_page
from contacts.enums import MatchType, RuleAction, RuleDirection
from contacts.models import ContactRule
from contacts.rules import Verdict, decide
from contacts.selectors import RuleFilter, count_active_rules, get_rule, rules_for, visible_rules
from contacts.services.rules import NewRule, RuleChanges, create_rule, delete_rule, update_rule
from identities.enums import FilterMode
from identities.models import AgentIdentity
from identities.selectors import get_identity, get_managed_identity, organization_profile
from identities.services.identities import IdentityChanges, update_identity
from mail.addresses import normalize_address, parse_recipient
from mail.contact_rules import MAIL, canonical_target
from mail.services.mailboxes import REDUNDANT_ACTIONS

_STATUS_BY_BUTTON = {"pause": "paused", "resume": "active"}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule in the list. `is_idle`: in the filter modes of now it changes nothing."""

    rule: ContactRule
    is_idle: bool


@dataclass(frozen=True, slots=True)
class AddressCheck:
    """What the rules say about one address; None for text that is no address."""

    address: str
    inbound: Verdict | None
    outbound: Verdict | None


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def rule_list(request: Any, handle: str) -> HttpResponse:
    """Modes and rules; a POST makes a rule."""
    principal = request.viewer.principal
    if request.method != "POST":
        return _page(request, get_identity(principal, handle))
    identity = get_managed_identity(principal, handle)
    form = NewRuleForm(request.POST)
    if form.is_valid():
        data = form.cleaned_data
        try:
            target = canonical_target(data["match_type"], data["match_target"])
            create_rule(
                principal, identity, MAIL, NewRule(data["action"], data["match_type"], target, data["direction"])
            )
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"The rule for {target} is in force.")
            return redirect("console:agent_rules", handle)
    return _page(request, identity, form=form, status=422)


@require_POST
@console_page
def change_rule(request: Any, handle: str, rule_id: str) -> HttpResponse:
    """Pause, resume, change or delete one rule, as the button says."""
    principal = request.viewer.principal
    identity = get_managed_identity(principal, handle)
    rule = get_rule(principal, MAIL, identity.pk, rule_id)
    button = request.POST.get("do", "")
    try:
        if button == "delete":
            delete_rule(principal, rule)
            messages.success(request, f"The rule for {rule.match_target} is gone.")
        elif button in _STATUS_BY_BUTTON:
            update_rule(principal, rule, RuleChanges(status=_STATUS_BY_BUTTON[button]))
            messages.success(request, f"The rule for {rule.match_target} is {_STATUS_BY_BUTTON[button]}.")
        else:
            _save_rule(request, rule)
    except DomainError as refusal:
        messages.error(request, refusal.message)
    return redirect("console:agent_rules", handle)


def _save_rule(request: Any, rule: ContactRule) -> None:
    action, direction = request.POST.get("action"), request.POST.get("direction")
    if action not in dict(ACTIONS) or direction not in dict(DIRECTIONS):
        messages.error(request, "Choose an action and a direction.")
    elif (action, direction) == (rule.action, rule.direction):
        messages.info(request, "Nothing was changed.")
    else:
        update_rule(request.viewer.principal, rule, RuleChanges(action=action, direction=direction))
        messages.success(request, f"The rule for {rule.match_target} is changed.")


@require_POST
@console_page
def change_filter_modes(request: Any, handle: str) -> HttpResponse:
    """Who gets through when no rule says so. Tells which rules that leaves without effect."""
    principal = request.viewer.principal
    identity = get_managed_identity(principal, handle)
    form = FilterModesForm(request.POST)
    if not form.is_valid():
        return _page(request, identity, modes_form=form, status=422)
    inbound, outbound = form.cleaned_data["inbound"], form.cleaned_data["outbound"]
    before = (identity.mail_inbound_filter_mode, identity.mail_outbound_filter_mode)
    if before == (inbound, outbound):
        messages.info(request, "Nothing was changed.")
        return redirect("console:agent_rules", handle)
    changes = IdentityChanges(mail_inbound_filter_mode=inbound, mail_outbound_filter_mode=outbound)
    if inbound == outbound:
        changes = IdentityChanges(mail_filter_mode=inbound)
    update_identity(principal, identity, changes, organization_profile(principal))
    messages.success(request, "The filter modes are changed.")
    for mode in sorted({new for old, new in zip(before, (inbound, outbound), strict=True) if old != new}):
        _tell_redundant(request, identity, mode)
    return redirect("console:agent_rules", handle)


def _tell_redundant(request: Any, identity: AgentIdentity, mode: str) -> None:
    action = REDUNDANT_ACTIONS[FilterMode(mode)]
    count = count_active_rules(identity.pk, MAIL, action.value)
    if count == 0:
        return
    rules = "1 rule" if count == 1 else f"{count} rules"
    messages.warning(
        request,
        f"{rules} to {action.value} may have no effect now, because the mode does the same for everybody. "
        "They stay, and count again when the mode changes back.",
    )


def _page(
    request: Any,
    identity: AgentIdentity,
    *,
    form: NewRuleForm | None = None,
    modes_form: FilterModesForm | None = None,
    status: int = 200,
) -> HttpResponse:
    filters = RuleFilterForm(request.GET)
    wanted = filters.cleaned_data if filters.is_valid() else {}
    narrowed = RuleFilter(action=wanted.get("action") or None, direction=wanted.get("direction") or None)
    rows = visible_rules(request.viewer.principal, MAIL, narrowed).filter(identity=identity)
    if text := wanted.get("q"):
        rows = rows.filter(match_target__icontains=text)
    page = paginate(request, rows)
    modes = {"inbound": identity.mail_inbound_filter_mode, "outbound": identity.mail_outbound_filter_mode}
    context = {
        "rows": [RuleRow(rule, _is_idle(rule, identity)) for rule in page.rows],
        "page": page,
        "filters": filters,
        "is_filtered": any(wanted.get(name) for name in ("q", "action", "direction")),
        "form": form or NewRuleForm(),
        "modes_form": modes_form or FilterModesForm(initial=modes),
        "actions": ACTIONS,
        "directions": DIRECTIONS,
        "check": _check_address(request, identity),
    }
    return render_agent_page(request, identity, "console/agent_rules.html", context, status=status)


def _is_idle(rule: ContactRule, identity: AgentIdentity) -> bool:
    """A domain rule that does what the mode does anyway (contacts/rules.py); exact rules overrule domains."""
    if rule.match_type != MatchType.DOMAIN:
        return False
    modes = {
        RuleDirection.INBOUND.value: [identity.mail_inbound_filter_mode],
        RuleDirection.OUTBOUND.value: [identity.mail_outbound_filter_mode],
    }.get(rule.direction, [identity.mail_inbound_filter_mode, identity.mail_outbound_filter_mode])
    return all(REDUNDANT_ACTIONS[FilterMode(mode)] == RuleAction(rule.action) for mode in modes)


def _check_address(request: Any, identity: AgentIdentity) -> AddressCheck | None:
    text = request.GET.get("check", "").strip()[:320]
    if not text:
        return None
    parsed = parse_recipient(text)
    if parsed is None:
        return AddressCheck(text, None, None)
    address = normalize_address(parsed)
    rules = rules_for([identity.pk], MAIL.value, [address]).get(identity.pk, [])
    return AddressCheck(
        address,
        decide(identity.mail_inbound_filter_mode, rules, address, RuleDirection.INBOUND.value),
        decide(identity.mail_outbound_filter_mode, rules, address, RuleDirection.OUTBOUND.value),
    )

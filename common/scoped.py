"""Rows that belong to an identity of an organization, and who sees them."""

from __future__ import annotations

from typing import Self, TypeVar

from django.db import models

from common.principal import Principal

M_co = TypeVar("M_co", bound=models.Model, covariant=True)


class IdentityRows(models.QuerySet[M_co]):
    """Reads of a model with `organization` and `identity`."""

    def visible_to(self, principal: Principal) -> Self:
        """Admin keys and members see the whole organization, an agent key the rows of its identity."""
        rows = self.filter(organization_id=principal.organization_id)
        if principal.sees_organization:
            return rows
        return rows.filter(identity_id=principal.identity_id) if principal.is_agent else rows.none()

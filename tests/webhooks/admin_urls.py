"""Only the admin, with the pages that its menu names."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/operations/", include("inkbox_site.operations.urls")), path("admin/", admin.site.urls)]

"""Below /admin/operations/; `operations:` names them. The admin site asks for the sign-in."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, path

from inkbox_site.operations import views

app_name = "operations"
urlpatterns: list[URLPattern] = [
    path("organizations", admin.site.admin_view(views.organizations), name="organizations"),
    path("queues", admin.site.admin_view(views.queue_health), name="queues"),
    path("find", admin.site.admin_view(views.look_up), name="find"),
]

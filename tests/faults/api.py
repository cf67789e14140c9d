"""The API of a server that may be gone in the middle of a request."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Self

import httpx

from tests.clients.live_server import LiveServer
from tests.faults.crashes import RETRY_SECONDS

Body = dict[str, Any]


class Api:
    """An HTTP client with the admin key. One per thread; use it as a context manager."""

    def __init__(self, server: LiveServer) -> None:
        self._client = httpx.Client(
            base_url=server.base_url,
            headers={"X-API-Key": server.bootstrap.api_key, "Prefer": "idempotency-replay"},
            trust_env=False,
            timeout=30,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a resource that exists."""
        response = self._client.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def is_listening(self) -> bool:
        """Whether somebody answers at all."""
        try:
            return self._client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def try_post(self, path: str, body: Body, *, key: str | None = None) -> httpx.Response | None:
        """The answer; None when there was none, so that nobody can tell whether it was done."""
        try:
            return self._client.post(path, json=body, headers={"Idempotency-Key": key} if key else {})
        except httpx.TransportError:
            return None

    def post_until_answered(self, path: str, body: Body, *, key: str, before: Callable[[], object]) -> Body:
        """Repeat a request under one Idempotency-Key until it is answered, as the published clients do."""
        while True:
            before()
            response = self.try_post(path, body, key=key)
            if response is None:
                time.sleep(RETRY_SECONDS)
                continue
            assert response.status_code == 201, response.text
            answer: Body = response.json()
            return answer

    def create_identity(self, handle: str) -> Body:
        """An identity with its mailbox, while nothing is being killed."""
        response = self._client.post("/api/v1/identities", json={"agent_handle": handle})
        assert response.status_code == 201, response.text
        answer: Body = response.json()
        return answer

    def subscribe(self, identity: Body, url: str, *event_types: str) -> Body:
        response = self._client.post(
            "/api/v1/webhooks/subscriptions",
            json={"agent_identity_id": identity["id"], "url": url, "event_types": list(event_types)},
        )
        assert response.status_code == 201, response.text
        answer: Body = response.json()
        return answer

    def messages(self, address: str, **query: Any) -> list[Body]:
        """All messages of a mailbox, page by page."""
        return self._pages(f"/api/v1/mail/mailboxes/{address}/messages", query)

    def threads(self, address: str) -> list[Body]:
        """All threads of a mailbox, page by page."""
        return self._pages(f"/api/v1/mail/mailboxes/{address}/threads", {})

    def download(self, address: str, message_id: str, filename: str) -> bytes:
        """The bytes of an attachment."""
        link = self.get(f"/api/v1/mail/mailboxes/{address}/messages/{message_id}/attachments/{filename}")
        response = self._client.get(link["url"])
        assert response.status_code == 200, response.text
        return response.content

    def _pages(self, path: str, query: Body) -> list[Body]:
        items: list[Body] = []
        cursor: Body = {}
        while True:
            page = self.get(path, limit=100, **query, **cursor)
            items += page["items"]
            if not page["has_more"]:
                return items
            cursor = {"cursor": page["next_cursor"]}


def send_path(address: str) -> str:
    """Where a mailbox sends from."""
    return f"/api/v1/mail/mailboxes/{address}/messages"


def mail_to(*recipients: str, subject: str) -> Body:
    """The body of a send."""
    return {"recipients": {"to": list(recipients)}, "subject": subject, "body_text": f"This is {subject}.\n"}

"""A name server on loopback, UDP and TCP, for what only a real one shows: CNAME, truncation, SERVFAIL, silence."""

from __future__ import annotations

import socket
import struct
import threading
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

_UDP_BYTES = 1232


class DnsServer:
    """`records` maps (name, type) to values in zone-file form; `rcodes` and `silent` make names fail.

    A name under CNAME is answered with the alias and, as a recursive server does, with what it stands for.
    """

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.rcodes: dict[str, int] = {}
        self.silent: set[str] = set()
        self.tcp_questions = 0
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self.port = self._udp.getsockname()[1]
        self._tcp = socket.create_server(("127.0.0.1", self.port))
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._serve_udp, self._serve_tcp)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
            bell.sendto(b"", ("127.0.0.1", self.port))
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        for thread in self._threads:
            thread.join(5)
        self._udp.close()
        self._tcp.close()

    @property
    def address(self) -> str:
        """As INKBOX_DNS_SERVERS takes it."""
        return f"127.0.0.1:{self.port}"

    def publish(self, name: str, kind: str, value: str) -> None:
        """Add a record; text is cut into strings of 255 bytes, other values are names or `10 name`."""
        if kind == "TXT":
            parts = [value[at : at + 255] for at in range(0, len(value), 255)]
            value = " ".join('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in parts)
        elif kind in ("MX", "CNAME", "PTR"):
            value = f"{value.rstrip('.')}."
        self.records.setdefault((name.lower(), kind), []).append(value)

    def _serve_udp(self) -> None:
        while True:
            wire, peer = self._udp.recvfrom(4096)
            if not wire:
                return
            answer = self._answer(wire)
            if answer is None:
                continue
            packet = answer.to_wire(max_size=65535)
            if len(packet) > _UDP_BYTES:
                answer.answer.clear()
                answer.flags |= dns.flags.TC
                packet = answer.to_wire()
            self._udp.sendto(packet, peer)

    def _serve_tcp(self) -> None:
        while True:
            connection, _ = self._tcp.accept()
            with connection:
                head = connection.recv(2)
                if not head:
                    return
                wire = connection.recv(struct.unpack("!H", head)[0])
                self.tcp_questions += 1
                answer = self._answer(wire)
                if answer is not None:
                    packet = answer.to_wire(max_size=65535)
                    connection.sendall(struct.pack("!H", len(packet)) + packet)

    def _answer(self, wire: bytes) -> dns.message.Message | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        name = question.name.to_text(omit_final_dot=True).lower()
        if name in self.silent:
            return None
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if name in self.rcodes:
            answer.set_rcode(dns.rcode.Rcode(self.rcodes[name]))
            return answer
        while aliases := self.records.get((name, "CNAME")):
            answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", aliases[0]))
            name = aliases[0].rstrip(".")
        if values := self.records.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *values))
        elif not any(known == name or known.endswith(f".{name}") for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer

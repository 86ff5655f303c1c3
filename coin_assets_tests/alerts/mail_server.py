"""A mail server on 127.0.0.1: as much of RFC 5321 as Python's smtplib speaks."""

import socketserver
from email import message_from_bytes, policy
from email.message import EmailMessage
from threading import Thread
from typing import Self


class MailServer:
    """Accepts every message, and keeps envelope and content.

    Args:
        greeting: 554 refuses every client (RFC 5321, section 3.1).
    """

    def __init__(self, greeting: str = "220 test") -> None:
        self.received: list[tuple[list[str], EmailMessage]] = []
        handler = type("Handler", (_Handler,), {"mails": self.received, "greeting": greeting})
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(socketserver.StreamRequestHandler):
    mails: list[tuple[list[str], EmailMessage]]
    greeting: str

    def handle(self) -> None:
        self._say(self.greeting)
        recipients: list[str] = []
        for line in self.rfile:
            word = line[:4].upper()
            if word == b"RCPT":
                recipients.append(line.decode().partition("<")[2].partition(">")[0])
            if word == b"DATA":
                self._say("354 end with a dot")
                content = b"".join(iter(self.rfile.readline, b".\r\n"))
                mail = message_from_bytes(content, policy=policy.default)
                self.mails.append((recipients, mail))
            self._say("221 bye" if word == b"QUIT" else "250 test")
            if word == b"QUIT":
                return

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

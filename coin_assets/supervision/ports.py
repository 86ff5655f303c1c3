"""Ports of servers on this machine."""

import socket

from coin_assets.errors import ConfigurationError


def require_free(name: str, host: str, port: int, command: str = "make up") -> None:
    """Check that a server can listen on a port.

    Args:
        name: of the setting that chooses the port.
        command: that starts the server.

    Raises:
        ConfigurationError: it cannot.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"{name}: {port} on {host} cannot be used ({error}); stop what uses it, or choose "
                f"another one, as in {name}={port + 1} {command}."
            ) from error

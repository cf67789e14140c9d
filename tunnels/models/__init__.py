"""Models, one aggregate a module."""

from tunnels.models.tunnel import Tunnel

__all__ = ["Tunnel"]

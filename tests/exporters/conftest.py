from loopback import server

__all__ = ["server"]

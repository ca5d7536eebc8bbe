"""Colorizing files on this machine, or from this machine on a server."""

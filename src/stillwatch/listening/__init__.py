"""Sockets, TLS and bearer tokens of every listener: one place decides who may connect."""

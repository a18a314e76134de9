"""Thin adapters that gateways call, around one decision core with a snapshot in memory."""

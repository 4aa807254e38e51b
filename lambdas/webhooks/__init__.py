"""Webhooks: where a workspace wants to be told what happens, and what became of telling it."""

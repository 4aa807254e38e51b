"""Notices brought to whom they concern: the stack's topic and the webhooks of their workspace."""

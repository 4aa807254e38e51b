"""Trainings: checked before anything is paid for, started once, followed to their end."""

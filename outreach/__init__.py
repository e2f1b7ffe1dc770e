"""Outreach: everything that acts on people. Flows arrive with their own issue; see docs/decisions.md."""

"""Outreach: everything that acts on people."""

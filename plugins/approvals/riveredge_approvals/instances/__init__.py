"""Requests on their way: submit, watch, withdraw, administer."""

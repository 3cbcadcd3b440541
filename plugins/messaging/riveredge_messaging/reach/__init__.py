"""Where people are reached besides their account's mail address: phone numbers that they have proved, and devices."""

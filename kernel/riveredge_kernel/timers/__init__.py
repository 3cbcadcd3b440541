"""Timers: rows that are due later, and the tick that claims them and hands them to Inngest with their exact time."""

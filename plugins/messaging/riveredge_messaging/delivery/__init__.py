"""Handing deliveries over: prepared, admitted, tried, and what came of it."""

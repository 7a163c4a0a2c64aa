"""Spans of calls for a trace collector: what they hold, whose trace they join, and how they leave the guard."""

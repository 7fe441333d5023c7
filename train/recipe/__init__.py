"""What a recipe holds.

Fields, their checks, and reading recipe files; nothing here trains.
"""

"""What a recipe says.

Fields, their checks, and reading recipe files; nothing here trains.
"""

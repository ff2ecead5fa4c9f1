"""What the view knows of changelogs, groups, gateways and the newest events: asked while somebody looks.

May import books and below, not showing.
"""

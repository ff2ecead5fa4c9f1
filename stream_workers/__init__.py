"""The Faust workers: each kind of worker reads the whole topic exactly once into states, and one shows the web view.

Imports run one way, worker > app > web.serving > parts > web.facts > web.look, web.showing > books > letters, exact >
kafka > logs > settings > kinds. May import contracts and runtime, never the gateway.
"""

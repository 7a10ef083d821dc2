"""The resilience layer of a Python service: database, AI providers, and what the two are doing.

Importing `koo` loads nothing but the standard library; each name is fetched on first use.
"""

__all__: list[str] = []

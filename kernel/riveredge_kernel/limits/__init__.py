"""How often something may happen: counted in the database for all processes, and held back in this one."""

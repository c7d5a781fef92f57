"""Say what a token store has to do. Each store is a module of its own beside this one."""

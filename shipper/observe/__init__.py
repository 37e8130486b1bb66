"""Every record's fate counted, and said on a path that is not the broken one."""

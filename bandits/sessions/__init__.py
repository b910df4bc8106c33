"""Ask and tell: a policy on labels that arrive one by one."""

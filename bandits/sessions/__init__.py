"""Ask/tell sessions: a policy that chooses questions while answers arrive one by one."""

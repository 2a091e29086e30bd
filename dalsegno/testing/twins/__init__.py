"""A world of twins under one virtual clock: coordinator, agents, store and bus.

The logic is that of production, the step machines of coordinator and agent; what is real about
their surroundings there (sockets, disks, clocks) is imitated here, without IO and without waiting.
The test kit runs user code in such a world; the simulator of this repository lets everything go
wrong in one.
"""

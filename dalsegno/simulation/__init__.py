"""The simulator: clusters under virtual time in which everything may go wrong, from one seed.

The logic is that of production, in the twins of `dalsegno.testing`; here is what goes wrong with
them: weather, faults, storms, disks. `dalsegno simulate` plays a user's own workflow in such a
world, with models in place of its handlers; the simulator of this repository looks for broken
promises in them.
"""

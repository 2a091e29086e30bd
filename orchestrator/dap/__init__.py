"""The debug adapter: any editor that speaks the Debug Adapter Protocol steps through a run.

`framing` and `messages` are the wire, `layout` and `sources` say where a step stands, `places` what
an event begins, `replica` puts these together for one run, `session` is the step machine that an
edge drives. Nothing in here can change a run: all of it is over a read-only history.
"""

"""How a session looks: panes in a grid; of few columns the events and one of the others."""

STYLES = """
Screen { layers: base; }
#head { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
#said { height: 1; padding: 0 1; color: $warning; }
#said.bad { color: $error; }
#prompt { height: 1; border: none; padding: 0 1; background: $surface; }
#panes { layout: grid; height: 1fr; }
.pane { border: round $surface-lighten-2; padding: 0 1; border-title-color: $text-muted;
        border-subtitle-color: $text-muted; background: $background; scrollbar-size: 1 1; }
.pane:focus, .pane:focus-within { border: round $primary; border-title-color: $text; }
.pane Static { background: $background; width: auto; min-width: 100%; }
#events > .events--here { background: $primary-muted; text-style: bold; }
#state { scrollbar-size: 0 1; }
#changes Static, #timeline Static { width: 100%; }

Screen.-wide #panes { grid-size: 2 12; grid-columns: 5fr 4fr; }
Screen.-wide #events { row-span: 7; }
Screen.-wide #state { row-span: 5; }
Screen.-wide #changes { row-span: 3; }
Screen.-wide #graph { row-span: 5; }
Screen.-wide #timeline { row-span: 4; }

Screen.-narrow #panes { grid-size: 1 2; grid-rows: 2fr 3fr; }
Screen.-narrow .pane { display: none; }
Screen.-narrow #events, Screen.-narrow .-chosen { display: block; }

Reading { align: center middle; }
#reading { width: 92%; max-width: 120; height: auto; max-height: 90%; padding: 0 1;
           border: round $primary; background: $surface; scrollbar-size: 1 1; }
#read { height: auto; background: $surface; }
"""

import { useMemo, useState } from "react";
import type { Json } from "../api/model";
import { type Row, rowsOf } from "../logic/values";
import { Icon } from "./Icon";

interface Props {
  name: string;
  value: Json;
  isOpen?: boolean;
}

/** A JSON value that can be folded. What the reader has opened stays open when the value changes. */
export function ValueTree({ name, value, isOpen = false }: Props) {
  const [open, setOpen] = useState<ReadonlySet<string>>(() => new Set(isOpen ? [name] : []));
  const rows = useMemo(() => rowsOf(name, value, open), [name, value, open]);
  const toggle = (path: string) => {
    const next = new Set(open);
    if (!next.delete(path)) next.add(path);
    setOpen(next);
  };
  return (
    <ul className="tree">
      {rows.map((row) => (
        <li key={row.path} className="tree-row" style={{ paddingLeft: `${row.depth * 14}px` }}>
          {row.foldable ? <Fold row={row} toggle={toggle} /> : <Plain row={row} />}
        </li>
      ))}
    </ul>
  );
}

function Fold({ row, toggle }: { row: Row; toggle(path: string): void }) {
  return (
    <button
      type="button"
      className="tree-fold"
      aria-expanded={row.open}
      onClick={() => toggle(row.path)}
    >
      <Icon name="fold" />
      <span className="tree-key">{row.key}</span>
      <span className="tree-size">{row.text}</span>
    </button>
  );
}

function Plain({ row }: { row: Row }) {
  return (
    <span className="tree-plain">
      <span className="tree-key">{row.key}</span>
      <span className={`tree-value tree-${row.kind}`}>{row.text}</span>
    </span>
  );
}

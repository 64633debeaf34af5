import { Combobox } from "@base-ui/react/combobox";
import { useId, useRef, useState, type ReactNode } from "react";
import { texts } from "../texts.ts";
import { ariaFor, FieldMessages, plainText } from "./field.tsx";

const t = texts.picker;

interface PickerProps {
  name: string;
  label: string;
  note?: string;
  hint?: ReactNode;
  /** What can be picked. */
  options: readonly string[];
  initial: readonly string[];
  errors?: readonly string[] | undefined;
  /** Whether the person may also enter something that is not among the options. */
  free?: boolean;
}

/** Picks several of many options, with a search. The form gets one value under `name` for each. */
export function Picker({ name, label, note, hint, options, initial, errors, free = false }: PickerProps) {
  const id = useId();
  const [picked, setPicked] = useState(initial);
  const container = useRef<HTMLDivElement>(null); // beside the field, so that the popup is in the same landmark
  const [open, setOpen] = useState(false);
  const [query, setQuery] = useState("");
  const typed = query.trim();
  const known = [...new Set([...options, ...picked])].sort();
  const own = free && typed !== "" && !known.includes(typed);
  const leave = () => {
    if (own) setPicked([...picked, typed]); // keeps what was typed without pressing Enter
    setQuery("");
    setOpen(false);
  };
  return (
    <div className="field">
      <label htmlFor={id}>{label}{note && <span className="field-note"> ({note})</span>}</label>
      <Combobox.Root multiple autoHighlight items={own ? [...known, typed] : known} value={picked} onValueChange={setPicked}
        inputValue={query} onInputValueChange={setQuery}
        open={open} onOpenChange={setOpen}>
        <Combobox.InputGroup className="picker">
          <Combobox.Chips className="chips">
            {picked.map((one) => (
              <Combobox.Chip key={one} className="badge chip" aria-label={one}>
                {one}
                <Combobox.ChipRemove className="chip-remove" aria-label={t.remove(one)}>×</Combobox.ChipRemove>
              </Combobox.Chip>
            ))}
            <Combobox.Input id={id} className="picker-input" onBlur={leave} {...plainText} {...ariaFor(id, hint, errors)} />
          </Combobox.Chips>
        </Combobox.InputGroup>
        <Combobox.Portal container={container}>
          {/* Combobox.Popup would hide the rest of the page, this field's label included, from screen readers. What it does
              besides is done here: `leave` closes the list on blur, and onMouseDown keeps the focus in the field. */}
          <Combobox.Positioner sideOffset={4} className="picker-place">
            <div className="picker-popup" onMouseDown={(event) => event.preventDefault()}>
              <Combobox.Empty className="picker-empty">{free ? t.type : t.none}</Combobox.Empty>
              <Combobox.List aria-label={label}>
                {(one: string) => (
                  <Combobox.Item key={one} value={one} className="picker-item">
                    <Combobox.ItemIndicator className="picker-tick">✓</Combobox.ItemIndicator>
                    <span>{own && one === typed ? t.add(one) : one}</span>
                  </Combobox.Item>
                )}
              </Combobox.List>
            </div>
          </Combobox.Positioner>
        </Combobox.Portal>
      </Combobox.Root>
      <div ref={container} />
      {picked.map((one) => <input key={one} type="hidden" name={name} value={one} />)}
      <FieldMessages id={id} hint={hint} errors={errors} />
    </div>
  );
}

/* What the pages share: where one is, what is loaded, and what is asked again and again. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { parts } from "./format";

export interface Place {
  page: string;
  path: string[];
  query: URLSearchParams;
}

function place(): Place {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [page = "", ...rest] = path.split("/").map(decodeURIComponent);
  return { page: page || "streams", path: rest.filter(Boolean), query: new URLSearchParams(query) };
}

export function usePlace(): Place {
  const [at, setAt] = useState(place);
  useEffect(() => {
    const moved = () => setAt(place());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return at;
}

export function link(page: string, ...path: (string | number)[]): string {
  return `#/${[page, ...path].map((part) => encodeURIComponent(String(part))).join("/")}`;
}

/** Where a stream is shown, whichever tenant has it. */
export function toStream(stream: string, version?: number): string {
  const { tenant, category, key } = parts(stream);
  return `${link("streams", category, key, ...(version ? [version] : []))}?tenant=${encodeURIComponent(tenant)}`;
}

export interface Loaded<T> {
  value: T | undefined;
  error: Error | undefined;
  again: () => void;
}

/** Loads when *deps* change, and each *every* milliseconds. The value before stays until then. */
export function useLoaded<T>(load: (signal: AbortSignal) => Promise<T>, deps: unknown[], every?: number): Loaded<T> {
  const [value, setValue] = useState<T>();
  const [error, setError] = useState<Error>();
  const [round, setRound] = useState(0);
  const key = JSON.stringify(deps);
  const known = useRef(key);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    const ending = new AbortController();
    let timer = 0;
    if (known.current !== key) {
      known.current = key;
      setValue(undefined);
      setError(undefined);
    }
    const run = async () => {
      try {
        const got = await latest.current(ending.signal);
        if (ending.signal.aborted) return;
        setValue(got);
        setError(undefined);
      } catch (failure) {
        if (ending.signal.aborted) return;
        setError(failure instanceof Error ? failure : new Error(String(failure)));
      }
      if (every) timer = window.setTimeout(() => void run(), every);
    };
    void run();
    return () => {
      ending.abort();
      clearTimeout(timer);
    };
  }, [key, round, every]);
  return { value, error, again: useCallback(() => setRound((n) => n + 1), []) };
}

/** What *watch* hears last, for the same *deps*. */
export function useWatched<T>(watch: (heard: (value: T) => void, signal: AbortSignal) => Promise<void>, deps: unknown[]): Loaded<T> {
  const [value, setValue] = useState<T>();
  const [error, setError] = useState<Error>();
  const [round, setRound] = useState(0);
  const latest = useRef(watch);
  latest.current = watch;
  const key = JSON.stringify(deps);
  useEffect(() => {
    const ending = new AbortController();
    setValue(undefined);
    setError(undefined);
    latest.current(setValue, ending.signal).catch((failure: unknown) => {
      if (!ending.signal.aborted) setError(failure instanceof Error ? failure : new Error(String(failure)));
    });
    return () => ending.abort();
  }, [key, round]);
  return { value, error, again: useCallback(() => setRound((n) => n + 1), []) };
}

/** Calls *act* for a key that is pressed outside of fields. */
export function useKeys(act: (key: string, event: KeyboardEvent) => void): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.metaKey || event.ctrlKey || event.altKey) return;
      if (["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName)) {
        if (event.key === "Escape") target.blur();
        return;
      }
      latest.current(event.key, event);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

import { useSearchParams } from "react-router";

/** What narrows a list is kept in the address: a reload, a link and Back know it. An empty value leaves it away. */
export function useKept(): [kept: URLSearchParams, keep: (name: string) => (value: string) => void] {
  const [kept, setKept] = useSearchParams();
  const keep = (name: string) => (value: string) =>
    setKept((had) => {
      if (value) had.set(name, value);
      else had.delete(name);
      return had;
    }, { replace: true });
  return [kept, keep];
}

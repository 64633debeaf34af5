import { useSearchParams } from "react-router";

/**
 * The filters of a list, kept in the address so that they survive a reload, can be linked to, and work with the Back button.
 * `setFilter(name)` returns a function that stores a value; an empty value removes the parameter.
 */
export function useUrlFilter(): [filter: URLSearchParams, setFilter: (name: string) => (value: string) => void] {
  const [filter, setParameters] = useSearchParams();
  const setFilter = (name: string) => (value: string) =>
    setParameters((parameters) => {
      if (value) parameters.set(name, value);
      else parameters.delete(name);
      return parameters;
    }, { replace: true });
  return [filter, setFilter];
}

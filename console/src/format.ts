/* Numbers, amounts and times as people read them. */

const whole = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

export const count = (n: number): string => whole.format(n);

/** "1 stream", "2 streams". */
export const many = (n: number, one: string, more = `${one}s`): string => `${count(n)} ${n === 1 ? one : more}`;

export const time = (at: string): string => clock.format(new Date(at));
export const date = (at: string): string => day.format(new Date(at));

/** A duration in its two largest units. */
export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** "-1234567.5" is "−1,234,567.5": grouped, with the decimals that it has. */
export function decimal(text: string): string {
  const negative = text.startsWith("-");
  const [integer = "", decimals] = (negative ? text.slice(1) : text).split(".");
  const grouped = integer.replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return `${negative ? "\u2212" : ""}${grouped}${decimals === undefined ? "" : `.${decimals}`}`;
}

/** The parts of "main/account-42". */
export function parts(stream: string): { tenant: string; category: string; key: string } {
  const slash = stream.indexOf("/");
  const rest = stream.slice(slash + 1);
  const at = rest.indexOf("-");
  return { tenant: stream.slice(0, slash), category: rest.slice(0, at), key: rest.slice(at + 1) };
}

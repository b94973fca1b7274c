// The waiting page's script. `cargo xtask page` makes ../made/wait.js of it, with the client library in it.
//
//   room.ts    which way it goes: wait, go on to the shop, leave, and what stands in the way
//   view.ts    what is seen and heard of it
//   words.ts   texts, numbers and times, in the language of the document
//   clock.ts   a clock that hidden tabs do not slow down
//   sound.ts   the chime
//
// The same file is its own dedicated worker, which is that clock.
//
// Keys and tokens are cookies that no script sees; only the pass comes in the answer to a claim, to be posted to the shop.

import { serve } from "./clock.js";
import { start } from "./room.js";

if (typeof document === "undefined") serve();
else start((document.currentScript as HTMLScriptElement).src);

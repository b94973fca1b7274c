// What the runtime calls. worker-build's own entry makes an object of a class with several proxies for every request, about a tenth
// of what a poll costs. Here its method is taken once; it still starts WebAssembly anew after a panic.
import Recovering from "worker-build";

export { Lane, Line, Registry } from "worker-build";

let answer;

export default {
  fetch(request, env, ctx) {
    answer ??= new Recovering(ctx, env).fetch;
    return answer.call({ env, ctx }, request);
  },
};

// One call to an object: its status and answer as one text, or undefined when that takes longer than `ms`.
//
// Here and not in Rust, because each promise, timer and property that crosses over costs more than all of this together.
export const ask = (stub, address, body, ms) =>
  new Promise((resolve, reject) => {
    const fetched = stub.fetch(address, body === undefined ? undefined : { method: "POST", body });
    const timer = setTimeout(resolve, ms);
    const done = (text) => {
      clearTimeout(timer);
      resolve(text);
    };
    const failed = (error) => {
      clearTimeout(timer);
      reject(error);
    };
    fetched.then((response) => {
      const { status, statusText } = response;
      // How short answers travel: reply.rs.
      if (statusText.startsWith("=")) done(status + statusText.slice(1));
      else response.text().then((text) => done(status + text), failed);
    }, failed);
  });

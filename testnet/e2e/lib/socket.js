// A bare JSON-RPC socket for what libraries hide.
import { WebSocket } from "ws";

/** Opens a socket; `call` sends one request and resolves with its whole answer. */
export async function open(url) {
  const socket = new WebSocket(url);
  const waiting = new Map();
  let next = 1;
  socket.on("message", (data) => {
    const answer = JSON.parse(data);
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  await new Promise((accept, reject) => socket.once("open", accept).once("error", reject));
  return {
    call(method, params = []) {
      const id = next++;
      socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
      return new Promise((accept) => waiting.set(id, accept));
    },
    close: () => socket.close(),
  };
}

// A client on the TypeScript SDK, begun anew for each line it reads: prints how far it comes towards a sign-in.
// Arguments: the SDK's modules of the transport and of the client, and the port where desk.example.com is.
import http from 'node:http';
import { createInterface } from 'node:readline';

const [transportFile, clientFile, port] = process.argv.slice(2);
const { StreamableHTTPClientTransport } = await import(transportFile);
const { Client } = await import(clientFile);

// Node's own fetch does not let a program name another Host than the address.
function toTheEdge(address, init = {}) {
  const url = new URL(address);
  if (url.hostname !== 'desk.example.com') return Promise.reject(new Error(`asked ${url.hostname}`));
  const options = {
    host: '127.0.0.1',
    port,
    path: url.pathname + url.search,
    method: init.method ?? 'GET',
    headers: { ...Object.fromEntries(new Headers(init.headers)), host: 'desk.example.com', connection: 'close' },
    agent: false,
  };
  return new Promise((resolve, reject) => {
    const request = http.request(options, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () =>
        resolve(new Response(parts.length ? Buffer.concat(parts) : null, { status: answer.statusCode, headers: answer.headers })),
      );
    });
    request.on('error', reject);
    request.end(init.body === undefined || init.body === null ? undefined : String(init.body));
  });
}

async function tried(redirectUris) {
  const seen = { registered: false, location: null };
  const provider = {
    redirectUrl: redirectUris[0],
    clientMetadata: {
      client_name: 'ringwall test',
      redirect_uris: redirectUris,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    clientInformation: () => seen.information,
    saveClientInformation: (information) => Object.assign(seen, { information, registered: true }),
    tokens: () => undefined,
    saveTokens: () => {},
    redirectToAuthorization: (url) => (seen.location = url.href),
    saveCodeVerifier: () => {},
    codeVerifier: () => 'verifier',
  };
  const transport = new StreamableHTTPClientTransport(new URL('https://desk.example.com/mcp'), {
    authProvider: provider,
    fetch: toTheEdge,
  });
  try {
    await new Client({ name: 'ringwall-test', version: '1' }).connect(transport);
  } catch (error) {
    seen.error = String(error);
  }
  await transport.close().catch(() => {});
  return { registered: seen.registered, location: seen.location, error: seen.error ?? null };
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await tried(JSON.parse(line))));
}
process.exit(0);

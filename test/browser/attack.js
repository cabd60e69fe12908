// What a page tries on servers of other origins. It returns what it could read.
(async (targets) => {
  const read = [];
  const settled = (element, src) => new Promise((done) => {
    element.onload = () => done(true);
    element.onerror = () => done(false);
    if (src) element.src = src;
    document.body.append(element);
  });
  const frame = () => {
    const f = document.createElement('iframe');
    f.name = 'f' + Math.random();
    return f;
  };
  const fetched = async (what, url, options) => {
    try {
      const text = await (await fetch(url, options)).text();
      if (text !== '') read.push(what + ' ' + url + ': ' + text);
    } catch (e) { /* as it should be */ }
  };
  for (const t of targets) {
    const url = t.base + t.path;
    if (t.method === 'GET') {
      await fetched('fetch', url, {credentials: 'include'});
      await fetched('fetch without CORS', url, {mode: 'no-cors'});
      const image = new Image();
      if (await settled(image, url)) read.push('image ' + url);
      const f = frame();
      await settled(f, url);
      try { read.push('frame ' + url + ': ' + f.contentDocument.body.innerText); } catch (e) { /* as it should be */ }
      const script = document.createElement('script');
      window.leak = (v) => read.push('script ' + url + ': ' + JSON.stringify(v));
      await settled(script, url + '?jsonp=leak');
      continue;
    }
    await fetched('JSON', url, {method: t.method, body: t.body, headers: {'Content-Type': 'application/json'}});
    for (const mode of ['cors', 'no-cors']) {
      if (t.method !== 'POST' && mode === 'no-cors') continue;
      await fetched('simple request', url, {method: t.method, mode, body: new Blob([t.body])}); // without a Content-Type
      await fetched('text', url, {method: t.method, mode, body: t.body});
    }
    if (t.method !== 'POST') continue;
    navigator.sendBeacon(url, t.body);
    for (const enctype of ['text/plain', 'application/x-www-form-urlencoded']) {
      const f = frame(), form = document.createElement('form');
      await settled(f);
      Object.assign(form, {action: url, method: 'POST', enctype, target: f.name});
      const cut = t.body.indexOf('='); // a form sends name=value
      const input = document.createElement('input');
      input.name = cut < 0 ? t.body : t.body.slice(0, cut);
      input.value = cut < 0 ? '' : t.body.slice(cut + 1);
      form.append(input);
      document.body.append(form);
      const sent = new Promise((done) => { f.onload = done; });
      form.submit();
      await sent;
      try { read.push('form ' + url + ': ' + f.contentDocument.body.innerText); } catch (e) { /* as it should be */ }
    }
  }
  return read;
})
